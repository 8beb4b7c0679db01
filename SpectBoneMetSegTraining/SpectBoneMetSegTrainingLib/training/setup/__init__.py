"""What a training is asked to do: options, presets, schedule and starting weights."""
