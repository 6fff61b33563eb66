/** The page around the player: finds the file to play. ?src= names one; else the server's list and /watch/NAME do. */

import type { GsPlayer } from "./element.js";

interface Offer {
  name: string;
  title?: string;
  src: string;
  ws?: string;
}

async function find(): Promise<string> {
  const query = new URLSearchParams(location.search);
  const src = query.get("src");
  if (src !== null) return src;
  const answer = await fetch("config.json").catch(() => null);
  if (!answer?.ok) throw new Error("Nothing to play yet: add ?src=FILE.gsv to this page's address.");
  const { files }: { files: Offer[] } = await answer.json();
  const wanted = decodeURIComponent(/\/watch\/([^/]+)/.exec(location.pathname)?.[1] ?? "");
  const file = wanted === "" ? files[0] : files.find(({ name }) => name === wanted);
  if (file === undefined)
    throw new Error(wanted === "" ? "No file is offered here." : `No file "${wanted}" is offered here.`);
  document.title = file.title || file.name;
  return query.get("via") === "ws" && file.ws !== undefined ? file.ws : file.src;
}

const player = document.querySelector<GsPlayer>("gs-player");
if (player !== null) {
  find().then(
    (src) => {
      player.src = src;
    },
    (error: unknown) => player.fail(error instanceof Error ? error.message : String(error)),
  );
}
