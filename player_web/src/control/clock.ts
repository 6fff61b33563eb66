/** Media time from wall time. Knows no DOM: whoever asks says what time it is (seconds). */

export class Clock {
  private time = 0;
  private since: number | null = null;
  private speed = 1;

  get running(): boolean {
    return this.since !== null;
  }

  get rate(): number {
    return this.speed;
  }

  at(now: number): number {
    return this.since === null ? this.time : this.time + (now - this.since) * this.speed;
  }

  start(now: number): void {
    this.since ??= now;
  }

  stop(now: number): void {
    this.time = this.at(now);
    this.since = null;
  }

  set(time: number, now: number): void {
    this.time = time;
    if (this.since !== null) this.since = now;
  }

  setRate(rate: number, now: number): void {
    this.set(this.at(now), now);
    this.speed = rate;
  }
}
