"""The healthy body: skeleton, shape, posture and soft tissue."""
