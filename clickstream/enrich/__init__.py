"""What a click's texts say: who asks with what, from where, coming from which site, for which page."""
