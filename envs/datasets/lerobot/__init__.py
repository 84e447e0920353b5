"""LeRobotDataset v3: parquet, mp4 and JSON."""
