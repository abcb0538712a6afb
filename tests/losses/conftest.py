import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Arrays this small are done before a second thread has started."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
