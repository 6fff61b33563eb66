/** Rows k = 0..T-1 of the orthonormal DCT-II. */
export function dct(t: number): Float64Array[] {
  return Array.from({ length: t }, (_, k) =>
    Float64Array.from({ length: t }, (_, i) =>
      k === 0 ? 1 / Math.sqrt(t) : Math.sqrt(2 / t) * Math.cos((Math.PI * (2 * i + 1) * k) / (2 * t)),
    ),
  );
}
