import math

import numpy as np
from scipy import signal


def q_g_slow(a, b, fused, constants, kept_angle):
    """Q_G pixel by pixel: (mean of ratios, ratio of sums).

    `constants` are Γ, k, σ of strength and of direction.
    """

    def gradient(picture, row, column):
        window = np.pad(picture, 1)[row : row + 3, column : column + 3]
        x = np.sum(window * [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        y = np.sum(window * [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
        return math.hypot(x, y), math.atan(y / x)

    def sigmoid(x, gamma, k, sigma):
        return gamma / (1 + math.exp(k * (x - sigma)))

    above, below = [], []
    for row, column in np.ndindex(fused.shape):
        g_f, alpha_f = gradient(fused, row, column)
        kept, weight = 0, 0
        for source in (a, b):
            g, alpha = gradient(source, row, column)
            strength = g_f / g if g > g_f else g / g_f
            quality = sigmoid(strength, *constants[0]) * sigmoid(
                kept_angle(alpha, alpha_f), *constants[1]
            )
            kept, weight = kept + g * quality, weight + g
        above.append(kept)
        below.append(weight)
    return np.mean(np.divide(above, below)), sum(above) / sum(below)


def q_s_slow(a, b, fused, weights, c1, c2):
    """Q_S and Q_W window by window; `weights` is the 2D window and sums to 1."""
    size = len(weights)
    quality, liveliness = [], []
    for row in range(fused.shape[0] - size + 1):
        for column in range(fused.shape[1] - size + 1):
            x, y, f = (
                picture[row : row + size, column : column + size] for picture in (a, b, fused)
            )

            def covariance(one, other):
                return np.sum(
                    weights * (one - np.sum(weights * one)) * (other - np.sum(weights * other))
                )

            def ssim(one, other, covariance=covariance):
                m, n = np.sum(weights * one), np.sum(weights * other)
                alike = (2 * m * n + c1) * (2 * covariance(one, other) + c2)
                return alike / (
                    (m**2 + n**2 + c1) * (covariance(one, one) + covariance(other, other) + c2)
                )

            s_a, s_b = covariance(x, x), covariance(y, y)
            share = s_a / (s_a + s_b)
            quality.append(share * ssim(x, f) + (1 - share) * ssim(y, f))
            liveliness.append(max(s_a, s_b))
    return np.mean(quality), np.average(quality, weights=liveliness)


def q_cb_slow(a, b, fused):
    """Q_CB with plain 31 × 31 windows and a full complex transform."""
    y, x = np.mgrid[-15:16, -15:16]

    def masked_contrast(picture):
        levels = np.floor((picture - picture.min()) / np.ptp(picture) * 255 + 0.5)
        v, u = (np.fft.fftfreq(n) * n / 15 for n in picture.shape)
        r = np.sqrt(v[:, None] ** 2 + u[None, :] ** 2)
        sensitivity = np.exp(-((r / 15.3870) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
        seen = np.fft.ifft2(np.fft.fft2(levels) * sensitivity).real
        fine, coarse = (
            signal.correlate2d(
                seen, np.exp(-(x**2 + y**2) / (2 * s**2)) / (2 * np.pi * s**2), mode="same"
            )
            for s in (2, 4)
        )
        contrast = np.abs(fine / coarse - 1)
        return contrast**3 / (contrast**2 + 1e-4)

    in_a, in_b, in_f = (masked_contrast(picture) for picture in (a, b, fused))
    kept_a, kept_b = (np.minimum(c, in_f) / np.maximum(c, in_f) for c in (in_a, in_b))
    return np.mean((in_a**2 * kept_a + in_b**2 * kept_b) / (in_a**2 + in_b**2))


def phase_congruency_slow(picture, z_factor):
    """Total, maximum and minimum, as Kovesi writes them.

    Cosines and sines of phase; noise from spatial filters.
    """
    rows, columns = picture.shape
    v, u = np.meshgrid(np.fft.fftfreq(rows), np.fft.fftfreq(columns), indexing="ij")
    f = np.hypot(u, v)
    f[0, 0] = 1
    energy_sum, amplitude_sum, moments = 0, 0, np.zeros((3, rows, columns))
    for o in range(6):
        angle = o * np.pi / 6
        cos, sin = np.cos(angle), np.sin(angle)
        distance = np.abs(np.arctan2(-v * cos - u * sin, u * cos - v * sin))
        filters = []
        for s in range(4):
            log_gabor = np.exp(-(np.log(f * 3 * 2.1**s) ** 2) / (2 * np.log(0.55) ** 2)) / (
                1 + (f / 0.45) ** 30
            )
            log_gabor[0, 0] = 0
            filters.append(log_gabor * np.exp(-(distance**2) / (2 * (np.pi / 7.2) ** 2)))
        responses = [np.fft.ifft2(np.fft.fft2(picture) * g) for g in filters]
        total = sum(responses)
        even, odd = total.real / (abs(total) + 1e-4), total.imag / (abs(total) + 1e-4)
        energy = sum(
            e.real * even + e.imag * odd - abs(e.real * odd - e.imag * even) for e in responses
        )
        impulses = [np.fft.ifft2(g).real * np.sqrt(rows * columns) for g in filters]
        power = np.median(abs(responses[0]) ** 2) / np.log(2) / np.sum(filters[0] ** 2)
        squares = sum(np.sum(h**2) for h in impulses)
        products = sum(np.sum(impulses[i] * impulses[j]) for i in range(4) for j in range(i + 1, 4))
        tau = np.sqrt((2 * power * squares + 4 * power * products) / 2)
        energy = np.maximum(
            energy - (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7, 0
        )
        amplitudes = [abs(e) for e in responses]
        width = sum(amplitudes) / (np.max(amplitudes, axis=0) + 1e-4) / 4
        energy = energy / (1 + np.exp((0.5 - width) * 10))
        energy_sum, amplitude_sum = energy_sum + energy, amplitude_sum + sum(amplitudes)
        congruency = energy / sum(amplitudes)
        moments += congruency**2 * np.reshape([cos**2, sin**2, sin * cos], (3, 1, 1))
    x, y, z = moments[0] / 3, moments[1] / 3, moments[2] / 6
    spread = np.sqrt((z_factor * z) ** 2 + (x - y) ** 2) + 1e-4
    return energy_sum / (amplitude_sum + 1e-4), (y + x + spread) / 2, (y + x - spread) / 2
