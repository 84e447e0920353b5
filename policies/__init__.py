"""What turns a state into actions: features extractors, and settings that work. Import the module that you need."""
