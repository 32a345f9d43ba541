"""How the console writes dates: as logs do, so that one can search for them."""
