"""What a region can be: each kind is one file here, found by name through the registry."""
