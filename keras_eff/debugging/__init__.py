"""A file against its model, tensor by tensor."""
