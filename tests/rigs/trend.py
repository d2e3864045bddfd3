"""Whether a series of samples is flat."""


def flat(samples, most):
    """Of (seconds, value) pairs the second half: a straight line through it may rise by no more than the share
    `most` of its mean. Gives the verdict and a line for people."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return False, "too few samples"
    count = len(half)
    mean_t, mean_v = (sum(column) / count for column in zip(*half))
    spread = sum((t - mean_t) ** 2 for t, _ in half)
    slope = sum((t - mean_t) * (v - mean_v) for t, v in half) / spread
    rise = slope * (half[-1][0] - half[0][0])
    share = rise / mean_v
    line = (f"mean of the second half {mean_v:.1f}, from {min(v for _, v in half):g} to {max(v for _, v in half):g}; "
            f"trend {slope * 3600:+.2f} an hour, {share:+.1%} over that half ({most:.0%} allowed)")
    return share <= most, line
