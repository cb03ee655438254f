"""Classes, maps and boxes for image files, by a trained model."""
