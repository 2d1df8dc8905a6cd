"""What the chart in this folder is made of, besides what people write: `make chart`."""
