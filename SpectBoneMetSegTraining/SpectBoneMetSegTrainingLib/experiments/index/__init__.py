"""How true the planar bone scan index is, on simulated patients whose index is known."""
