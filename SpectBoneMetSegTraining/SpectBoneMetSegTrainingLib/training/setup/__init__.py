"""Set-up of a training: cases, options, presets, schedules and initial weights."""
