/** Bad data, met anywhere between the file's bytes and a segment's integers. */
export class BadData extends Error {
  override name = "BadData";
}

/** Data that is well formed, as far as one can see, but not for this player. */
export class Unsupported extends BadData {
  override name = "Unsupported";
}
