/** Rows of a full row group of DuckDB's storage, which is what one thread builds at a time. A multiple of its vectors. */
export const rowGroupRows = 122_880;
