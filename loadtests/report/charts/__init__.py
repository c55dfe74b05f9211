"""Drawing: what all charts share, and a module for each form of chart."""
