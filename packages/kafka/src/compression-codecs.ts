import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { lz4Decompress, snappyDecompress } from "@platformatic/wasm-utils";
import kafkajs from "kafkajs";

const zstd = promisify(zstdDecompress);

/** What Java puts before the chunks of a Snappy stream; each chunk is preceded by its length, 4 bytes. */
const XERIAL_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/**
 * Has kafkajs read what others compressed with Snappy, LZ4 and Zstandard; by itself it knows gzip alone, and stops at the
 * first such batch. The router writes uncompressed, but a broker or topic with `compression.type` compresses anew.
 */
export function readAllCodecs(): void {
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs;
  codecs[types.Snappy] = () => readOnly(async (batch) => unpackSnappy(batch));
  codecs[types.LZ4] = () => readOnly(async (batch) => Buffer.from(lz4Decompress(batch)));
  codecs[types.ZSTD] = () => readOnly((batch) => zstd(batch));
}

function readOnly(decompress: (batch: Buffer) => Promise<Buffer>) {
  return {
    decompress,
    compress: async () => {
      throw new Error("this codec is there for reading; Plugboard writes uncompressed");
    },
  };
}

function unpackSnappy(batch: Buffer): Buffer {
  if (!batch.subarray(0, XERIAL_HEADER.length).equals(XERIAL_HEADER)) return Buffer.from(snappyDecompress(batch));
  const chunks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < batch.length; ) {
    const end = at + 4 + batch.readUInt32BE(at);
    chunks.push(Buffer.from(snappyDecompress(batch.subarray(at + 4, end))));
    at = end;
  }
  return Buffer.concat(chunks);
}
