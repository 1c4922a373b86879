"""From a Run to the Kubernetes objects that its agents need."""
