/** The kinds of error that SPEC.md chapter 6 tells apart; `Unsupported` stands beside `BadData`. */

import { BadData } from "../decode/errors.js";

/** The bytes end too early. */
export class Truncated extends BadData {
  override name = "Truncated";
}

/** The data asks for more than the player grants. */
export class LimitExceeded extends BadData {
  override name = "LimitExceeded";
}
