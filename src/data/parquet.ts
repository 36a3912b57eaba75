import * as zlib from "node:zlib";
import type { Row } from "./rows";

type Decompress = (bytes: Uint8Array) => Uint8Array;

/**
 * Rows of a parquet file; whole numbers of 64 bits become plain numbers where they fit.
 * @throws when the file is damaged, a column is missing, or its compression is not known to this Node
 */
export async function readParquet(file: string, limit: number | undefined, columns: string[] | undefined): Promise<Row[]> {
  // The library is an ES module, which `require` of older Node 20 cannot load.
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer).catch((error: Error) => {
    throw new Error(`${file} is no parquet file, or is cut short: ${error.message}`);
  });
  const known = parquetSchema(metadata).children.map(({ element }) => element.name);
  const missing = columns?.find((column) => !known.includes(column));
  if (missing) throw new Error(`${file} has no column ${missing}; its columns are ${known.join(", ")}.`);
  const rows = await parquetReadObjects({
    file: buffer,
    metadata,
    compressors,
    ...(columns ? { columns } : {}),
    ...(limit === undefined ? {} : { rowEnd: limit }),
  });
  return rows.map((row) => plain(row) as Row);
}

const compressors: Record<string, Decompress> = {
  GZIP: (bytes) => zlib.gunzipSync(bytes),
  BROTLI: (bytes) => zlib.brotliDecompressSync(bytes),
  ZSTD: (bytes) => {
    const decompress = (zlib as { zstdDecompressSync?: Decompress }).zstdDecompressSync;
    if (!decompress) throw new Error(`This parquet file is compressed with Zstandard, which Node ${process.versions.node} cannot read; Node 22.15 and later can.`);
    return decompress(bytes);
  },
};

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
