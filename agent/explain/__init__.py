"""`senseweave explain`: which senses a policy uses, as figures and as a page."""
