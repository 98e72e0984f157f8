"""One file per format of rows or pages; `smart_train.data.sources` chooses among them."""
