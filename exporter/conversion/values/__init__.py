"""What variables hold: tensors with views and storages, containers, objects; the journal."""
