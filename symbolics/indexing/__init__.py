"""Reading and writing by tensors of indices, masks, embedding tables."""
