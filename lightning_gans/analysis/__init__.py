"""What a trained model knows: walks between latents."""
