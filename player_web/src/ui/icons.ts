/** Drawn for this player, 24 by 24. */

const icon = (inner: string) => `<svg viewBox="0 0 24 24" aria-hidden="true">${inner}</svg>`;

export const ICONS = {
  play: icon(
    '<path class="solid" d="M8 5.2v13.6a.8.8 0 0 0 1.2.7l11-6.8a.8.8 0 0 0 0-1.4l-11-6.8a.8.8 0 0 0-1.2.7z"/>',
  ),
  pause: icon(
    '<rect class="solid" x="6" y="5" width="4.2" height="14" rx="1.2"/><rect class="solid" x="13.8" y="5" width="4.2" height="14" rx="1.2"/>',
  ),
  replay: icon('<path d="M4.5 12a7.5 7.5 0 1 0 2.4-5.5"/><path d="M7.5 2.8 6.6 6.9l4 .9"/>'),
  back: icon('<path d="M15 6.5 9 12l6 5.5"/><path d="M6 6.5v11"/>'),
  forward: icon('<path d="m9 6.5 6 5.5-6 5.5"/><path d="M18 6.5v11"/>'),
  loop: icon(
    '<path d="M17 3.5 20 6.5l-3 3"/><path d="M4 11.5v-1a4 4 0 0 1 4-4h12"/><path d="m7 20.500-3-3 3-3"/><path d="M20 12.500v1a4 4 0 0 1-4 4H4"/>',
  ),
  home: icon('<circle cx="12" cy="12" r="3"/><path d="M12 3.500v3M12 17.500v3M3.500 12h3M17.500 12h3"/>'),
  help: icon(
    '<circle cx="12" cy="12" r="8.500"/><path d="M9.700 9.300a2.400 2.400 0 1 1 3.400 2.300c-.7.4-1.100.8-1.100 1.700"/><path d="M12 16.600v.1"/>',
  ),
  full: icon(
    '<path d="M4 9V5.500A1.500 1.500 0 0 1 5.500 4H9M15 4h3.500A1.500 1.500 0 0 1 20 5.500V9M20 15v3.500a1.500 1.500 0 0 1-1.500 1.500H15M9 20H5.500A1.500 1.500 0 0 1 4 18.500V15"/>',
  ),
  small: icon(
    '<path d="M9 4v3.500A1.500 1.500 0 0 1 7.500 9H4M20 9h-3.500A1.500 1.500 0 0 1 15 7.500V4M15 20v-3.500a1.500 1.500 0 0 1 1.500-1.500H20M4 15h3.500A1.500 1.500 0 0 1 9 16.500V20"/>',
  ),
  alert: icon('<path d="M12 4 2.800 19.500h18.400z"/><path d="M12 10v4.500M12 17v.1"/>'),
} as const;
