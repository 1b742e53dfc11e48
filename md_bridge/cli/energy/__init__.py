"""Commands about the conservation of energy: demo, drift, judge, protocol, tune."""
