"""Other projects' parts beside ours; none of them is a dependency."""
