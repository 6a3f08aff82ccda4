"""What pages about topics and parts were computed from, moment by moment: so that they can show a past instant."""
