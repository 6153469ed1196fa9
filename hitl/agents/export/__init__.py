"""What drives here, in forms that other programs run: TorchScript, ONNX, and the archive that an agent came in."""
