"""From lesions and regions of the skeleton to bones, uptake, burden and the planar bone scan index."""
