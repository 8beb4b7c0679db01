"""The simulated hospital: patients, tracer, lesions and camera. Every scan made here is simulated."""
