/** @throws Error that names the option, for anything but a whole number from 1 */
export function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option} takes whole numbers from 1, not ${text}`);
  return Number(text);
}

/** @throws Error that names the option, for anything but a finite number above 0 */
export function positiveNumber(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new Error(`--${option} takes a number above 0, not ${text}`);
  return value;
}
