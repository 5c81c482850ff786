"""What all else stands on: errors, files, reports, pictures, processes, fairseq's tools."""
