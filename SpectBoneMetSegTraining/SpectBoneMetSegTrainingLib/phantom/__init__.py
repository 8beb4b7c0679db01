"""The simulated hospital: patients, tracer uptake, lesions and gamma camera. All of its scans are simulated."""
