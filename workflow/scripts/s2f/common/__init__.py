"""What every package needs: errors, files, provenance, devices."""
