"""Classes of clips of which nothing is known: clusters of their statistics."""

import numpy as np

from asd.recordings import Recordings
from asd.statistics import clip_statistics

CLIPS_PER_CLUSTER, MOST_CLUSTERS = 8, 10


def pseudo_classes(recordings: Recordings, seed: int = 0) -> list[str]:
    """Cluster clips by the means and deviations of their log-Mel bands.

    Parameters
    ----------
    recordings : Recordings
        Two clips at least.
    seed : int
        Of the clustering.

    Returns
    -------
    list of str
        The cluster of each clip: one for every eight clips, two to ten.
    """
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    n = len(recordings)
    vectors = np.stack([clip_statistics(recordings.waveform(i), "log-mel") for i in range(n)])
    n_clusters = min(max(2, n // CLIPS_PER_CLUSTER), MOST_CLUSTERS, n)
    scaled = StandardScaler().fit_transform(vectors)
    found = KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(scaled)
    return [f"cluster {label}" for label in found]
