"""The same elements in other shapes and places: views, writes through them, joins, splits."""
