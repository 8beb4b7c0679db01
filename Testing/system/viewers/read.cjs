// Reads DICOM files with the parsers of JavaScript viewers and prints what they found as JSON.
// Usage: node read.cjs FILE...; NODE_PATH names the folder node_modules.
const fs = require('fs')
const dcmjs = require('dcmjs')
const dicomParser = require('dicom-parser')

const { DicomMessage, DicomMetaDictionary, BitArray } = dcmjs.data

function listOf(value) {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

function segmentation(set) {
  const bits = BitArray.unpack(new Uint8Array(listOf(set.PixelData)[0]))
  const frames = listOf(set.PerFrameFunctionalGroupsSequence).map((group, number) => {
    const size = set.Rows * set.Columns
    const inside = []
    for (let pixel = 0; pixel < size; pixel++) if (bits[number * size + pixel]) inside.push(pixel)
    const source = listOf(listOf(group.DerivationImageSequence)[0].SourceImageSequence)[0]
    return {
      segment: listOf(group.SegmentIdentificationSequence)[0].ReferencedSegmentNumber,
      source: source.ReferencedSOPInstanceUID,
      frame: Number(source.ReferencedFrameNumber || 1),
      inside
    }
  })
  const segments = listOf(set.SegmentSequence).map(one => ({
    number: one.SegmentNumber,
    label: one.SegmentLabel,
    tracking: one.TrackingUID,
    description: one.SegmentDescription
  }))
  return { rows: set.Rows, columns: set.Columns, frames, segments }
}

function trackingUids(item) {
  const own = item.ValueType === 'UIDREF' && listOf(item.ConceptNameCodeSequence)[0].CodeValue === '112040'
  return [...(own ? [item.UID] : []), ...listOf(item.ContentSequence).flatMap(trackingUids)]
}

const found = {}
for (const file of process.argv.slice(2)) {
  const bytes = fs.readFileSync(file)
  const dicom = DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  const set = DicomMetaDictionary.naturalizeDataset(dicom.dict)
  const parsed = dicomParser.parseDicom(new Uint8Array(bytes))
  found[file] = {
    uid: set.SOPInstanceUID,
    parsedUid: parsed.string('x00080018'),
    parsedWarnings: parsed.warnings,
    modality: set.Modality,
    ...(set.Modality === 'SEG' ? segmentation(set) : {}),
    ...(set.Modality === 'SR' ? { tracking: trackingUids(set) } : {})
  }
}
console.log(JSON.stringify(found))
