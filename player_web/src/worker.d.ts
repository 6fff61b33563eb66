/** The text of a worker, bundled (see build.mjs). */
declare module "worker:*" {
  const code: string;
  export default code;
}
