/** A float as BurntSushi/toml writes it: Go's shortest `%g`, with `.0` where neither a point nor an exponent shows what it is. */
export function goTomlFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const [digits = "", exponent = "0"] = value.toExponential().split("e");
  // Go uses an exponent, of at least two digits, where it is below -4 or has reached 6 (strconv ftoa.go, %e is used if).
  if (Number(exponent) < -4 || Number(exponent) >= 6)
    return `${sign(value)}${digits.replace("-", "")}e${exponent.replace(/^([+-])(\d)$/, "$10$2")}`;
  const plain = String(Math.abs(value));
  return `${sign(value)}${plain}${plain.includes(".") ? "" : ".0"}`;
}

function sign(value: number): string {
  return value < 0 || Object.is(value, -0) ? "-" : "";
}
