"""Tables as indices of OpenSearch or Elasticsearch, kept equal to topics."""
