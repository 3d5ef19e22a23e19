"""What every package needs: errors, files, tables, kinds, provenance, devices and command lines."""
