"""A body without disease: skeleton, shape, posture and soft tissue."""
