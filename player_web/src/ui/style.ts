export const STYLE = `
:host { display: block; position: relative; overflow: hidden; background: #0b0d11; color: #f3f5f9;
  font: 500 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; min-height: 120px;
  --accent: #6ea8ff; --glass: rgba(18, 21, 28, .72); --line: rgba(255, 255, 255, .1); }
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
.stage, canvas, .poster { position: absolute; inset: 0; width: 100%; height: 100%; }
.stage { background: radial-gradient(120% 90% at 50% 35%, #232a36 0%, #12161d 55%, #0b0d11 100%); }
canvas { display: block; touch-action: none; cursor: grab; outline: none; }
canvas:active { cursor: grabbing; }
canvas:focus-visible { box-shadow: inset 0 0 0 2px var(--accent); }
.poster { object-fit: contain; pointer-events: none; transition: opacity .3s; }
[hidden] { display: none !important; }

.spinner { position: absolute; left: 50%; top: 50%; width: 44px; height: 44px; margin: -22px; border-radius: 50%;
  border: 3px solid rgba(255, 255, 255, .16); border-top-color: #fff; animation: turn .9s linear infinite;
  opacity: 0; transition: opacity .2s .25s; pointer-events: none; }
.spinner.on { opacity: 1; }
@keyframes turn { to { transform: rotate(1turn); } }

.notice { position: absolute; left: 50%; top: max(16px, env(safe-area-inset-top)); transform: translateX(-50%);
  max-width: calc(100% - 32px); padding: 8px 14px; border-radius: 12px; background: var(--glass);
  border: 1px solid var(--line); backdrop-filter: blur(18px) saturate(1.4); -webkit-backdrop-filter: blur(18px) saturate(1.4);
  pointer-events: none; }
.failure { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 14px;
  padding: 32px; text-align: center; background: rgba(11, 13, 17, .82); }
.failure svg { width: 40px; height: 40px; color: #ffb4a8; }
.failure p { margin: 0; max-width: 46ch; font-size: 16px; text-wrap: balance; }

.big { position: absolute; display: grid; place-items: center; left: 50%; top: 50%; width: 84px; height: 84px; margin: -42px; border-radius: 50%;
  background: var(--glass); border: 1px solid var(--line); backdrop-filter: blur(18px); -webkit-backdrop-filter: blur(18px); }
.big svg { width: 36px; height: 36px; }

.bar { position: absolute; left: max(16px, env(safe-area-inset-left)); right: max(16px, env(safe-area-inset-right));
  bottom: max(16px, env(safe-area-inset-bottom)); max-width: 920px; margin: 0 auto; padding: 6px 10px 8px;
  border-radius: 18px; background: var(--glass); border: 1px solid var(--line);
  backdrop-filter: blur(22px) saturate(1.5); -webkit-backdrop-filter: blur(22px) saturate(1.5);
  box-shadow: 0 12px 40px rgba(0, 0, 0, .38); transition: opacity .25s, transform .25s; }
:host(.idle) .bar { opacity: 0; transform: translateY(8px); pointer-events: none; }
:host(.idle) canvas { cursor: none; }
.row { display: flex; align-items: center; gap: 2px; }
.space { flex: 1; }
button { appearance: none; border: 0; background: none; color: inherit; font: inherit; cursor: pointer; }
.bar button { display: grid; place-items: center; min-width: 40px; height: 40px; padding: 0 8px; border-radius: 11px;
  transition: background .15s; }
.bar button:hover { background: rgba(255, 255, 255, .1); }
.bar button:active { background: rgba(255, 255, 255, .17); }
.bar button[aria-pressed="true"] { color: var(--accent); }
button:focus-visible, .seek:focus-visible, select:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round;
  stroke-linejoin: round; display: block; }
svg .solid { fill: currentColor; stroke: none; }
.time { padding: 0 10px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.time span { opacity: .55; }
.rate { appearance: none; height: 40px; padding: 0 8px; border: 0; border-radius: 11px; background: none; color: inherit;
  font: inherit; font-variant-numeric: tabular-nums; cursor: pointer; text-align: center; }
.rate:hover { background: rgba(255, 255, 255, .1); }
.rate option { background: #1a1f29; color: #fff; }

.seek { position: relative; height: 26px; margin: 0 6px; cursor: pointer; touch-action: none; border-radius: 8px; }
.rail { position: absolute; left: 0; right: 0; top: 11px; height: 4px; border-radius: 2px; background: rgba(255, 255, 255, .16);
  overflow: hidden; transition: height .12s, top .12s; }
.seek:hover .rail, .seek.drag .rail { height: 6px; top: 10px; }
.loaded, .played { position: absolute; top: 0; bottom: 0; left: 0; }
.loaded { background: rgba(255, 255, 255, .24); }
.played { width: 100%; background: var(--accent); transform-origin: left; transform: scaleX(0); }
.knob { position: absolute; top: 50%; left: 0; width: 14px; height: 14px; margin: -7px; border-radius: 50%; background: #fff;
  box-shadow: 0 1px 6px rgba(0, 0, 0, .5); pointer-events: none; }
.bubble { position: absolute; bottom: 28px; left: 0; transform: translateX(-50%); padding: 3px 8px; border-radius: 8px;
  background: rgba(8, 10, 14, .92); font-size: 12px; font-variant-numeric: tabular-nums; white-space: nowrap;
  opacity: 0; pointer-events: none; transition: opacity .12s; }
.seek:hover .bubble, .seek.drag .bubble { opacity: 1; }

.stats { position: absolute; left: 16px; top: 16px; margin: 0; padding: 10px 14px; border-radius: 12px; background: var(--glass);
  border: 1px solid var(--line); font: 12px/1.6 ui-monospace, SFMono-Regular, Menlo, monospace; pointer-events: none;
  white-space: pre; }
dialog { border: 1px solid var(--line); border-radius: 18px; padding: 22px 26px; color: inherit; background: rgba(20, 24, 32, .96);
  max-width: min(460px, calc(100% - 32px)); box-shadow: 0 24px 80px rgba(0, 0, 0, .6); }
dialog::backdrop { background: rgba(0, 0, 0, .45); }
dialog h2 { margin: 0 0 12px; font-size: 17px; }
dialog dl { display: grid; grid-template-columns: auto 1fr; gap: 7px 18px; margin: 0 0 16px; }
dialog dt { display: flex; gap: 4px; }
dialog dd { margin: 0; opacity: .85; }
kbd { padding: 1px 7px; border-radius: 6px; border: 1px solid var(--line); background: rgba(255, 255, 255, .07);
  font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
dialog button { padding: 8px 18px; border-radius: 10px; background: rgba(255, 255, 255, .12); }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.bar.still { width: fit-content; } .bar.still .timed, .bar.still .space { display: none; }

@media (max-width: 560px) {
  .bar { left: max(8px, env(safe-area-inset-left)); right: max(8px, env(safe-area-inset-right));
    bottom: max(8px, env(safe-area-inset-bottom)); padding: 4px 6px 6px; }
  .bar button { min-width: 42px; height: 44px; padding: 0 4px; }
  .rate { height: 44px; }
  .seek { height: 36px; } .rail { top: 16px; } .seek:hover .rail, .seek.drag .rail { top: 15px; } .bubble { bottom: 36px; }
  .wide { display: none !important; }
  .time { padding: 0 6px; font-size: 13px; }
}
@media (prefers-reduced-motion: reduce) {
  * { transition: none !important; }
  .spinner { animation-duration: 3s; }
}`;
