/** `5%` of a share in hundredths of a percent. */
export function formatShare(share: number): string {
  return `${share / 100}%`
}
