"""Jobs that exist, differently: edited while they wait, or submitted again."""
