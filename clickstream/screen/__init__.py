"""What a terminal shows: views that move, bars, tables that fit; log lines stand above all of them."""
