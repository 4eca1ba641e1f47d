"""Pictures for a terminal: learning curves in Braille, images in half blocks. They return or stream text."""
